"""Answers to the port ``Exports``: nfs-ganesha, where there is no kernel server, and the kernel's own nfsd."""
