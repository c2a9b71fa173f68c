"""
The store of a site: images and roots on its own disk.

One EROFS file an image, shared and never written; one ext4 file a root; overlayfs joins them. Import
:mod:`~boardgrid.adapters.store.images` and :mod:`~boardgrid.adapters.store.roots`; nothing is imported here, so that
the programs in this folder start fast.
"""
