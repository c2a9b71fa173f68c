"""What boards boot: the initramfs for NFS roots, the holding system, the tiny image, virtual boards' firmware."""
