"""One turn of the loop: outcomes become pairs, pairs an adapter, the gate decides, the champion pointer moves."""
