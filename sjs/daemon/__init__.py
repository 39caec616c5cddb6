"""What runs on the machines. Standard library only, Python 3.8 or newer, and nobody on the client's side imports it.

A room for each process: `keeper` holds the job processes; `manager`, its child, owns the queue; `asking` lives as long
as one client's session; `terminal` is what a person types. `queue` and `ground` are what they stand on. The keeper
and the manager do not know each other's code: they talk.
"""
