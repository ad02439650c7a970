"""When turns are due: pure arithmetic on (elapsed, count), no clock and no sleep."""
