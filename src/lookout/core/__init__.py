"""The pure core: from a network's raw outputs to detections. Needs numpy, touches nothing outside."""
