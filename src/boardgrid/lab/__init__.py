"""
The lab: virtual boards on a network of their own, held by one process.

The holder is the first process of the lab's namespaces (network, mounts, processes): what the farm starts for its
boards lives in there, and all of it is gone when the holder is. Started by the supervisor, asked over a Unix socket.
"""
