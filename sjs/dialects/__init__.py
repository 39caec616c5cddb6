"""Foreign formats, translated to and from our own requests and values.

A dialect is a format, not a server: records in, replies out, as plain functions. It opens nothing, keeps nothing,
knows no other dialect, and decides nothing: whether a request is granted is said by whoever serves it.

    pipe          what the replaced simple-job-submit's clients write into the command pipe; served by the daemon
    pipe_client   what its managers are asked and answer; spoken by `ask`
"""
