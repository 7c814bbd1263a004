"""Decides *when*: releases what is due, wakes lanes, sweeps lapsed leases, promotes what expired. Opens no port 25."""
