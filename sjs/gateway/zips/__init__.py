"""Zip archives, base64 and JSON that come and go in pieces, from and to people who may mean harm.

Standard library only. Nothing here is ever whole in memory, and nothing is believed that an archive says of itself.
"""
