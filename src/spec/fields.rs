//! The field table: every key of `deploy.yaml`, and what a change of it costs.
