"""What a process takes: claims for its lanes, their bodies, suspects apart, and where a domain's mail belongs."""
