"""Agent → gateway: both protocol eras in, one kind of call out."""
