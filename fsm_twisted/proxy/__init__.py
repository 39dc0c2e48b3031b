"""One exchange: downstream, upstream, pool, local replies, tunnel."""
