"""What ``make demo`` does: a farm on virtual boards, from nothing to a login on one of them."""
