"""`sandbox/selftest`: the sandbox, checked from outside through what it hands out."""
