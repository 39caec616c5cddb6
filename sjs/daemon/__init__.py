"""What runs on the machines. Standard library only, Python 3.8 or newer, and nobody on the client's side imports it.

Processes: the keeper (`keeper`) holds the job processes; the manager (`loop`), its child, owns the queue; `ask` lives
as long as one client's session; `command` is what a person types. Inside the manager only the loop sees everybody.
"""
