"""What `make bench` runs: the shop's CPU and SQL for a request, beside a bare Flask app under the same server.

docs/benchmarks.md tells how it measures and what the figures were.
"""
