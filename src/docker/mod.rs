//! The Docker engine adapter, local and through ssh.
