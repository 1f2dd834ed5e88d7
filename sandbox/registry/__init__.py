"""Two registries: Debian's docker-registry, each behind a TLS relay of ours."""
