"""A provider of completions that is not one: a real HTTP server that speaks three families and fails when told to.

It imports nothing of the gateway, so that no mistake can be made twice and cancel out.
"""
