"""Benchmarks of the whole way from landed files to drafted invoices; run by `make bench`.

No test collects this package: nothing in it is named `test_*`.
"""
