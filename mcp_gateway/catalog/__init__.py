"""Virtual servers: a specification and what upstreams offer, compiled into one immutable catalog. Pure, no I/O."""
