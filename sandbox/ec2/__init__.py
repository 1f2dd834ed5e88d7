"""EC2: moto in this process, with models replaced so that an instance is a real host."""
