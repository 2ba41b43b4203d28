"""Runs on a host: serves one provider over mTLS, and nothing else."""
