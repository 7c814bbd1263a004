"""The demo: the whole service for real, sent some 500 envelopes, and checked against what the hosts wrote down.

The entry point is :mod:`softbounce_gateway.demo.__main__`; what is sent stands in :mod:`softbounce_gateway.demo.plan`.
"""
