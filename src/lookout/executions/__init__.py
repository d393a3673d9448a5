"""The ways to get an image's detections, behind one protocol.

``in_process`` runs the detector here, ``local`` asks our web server, ``remote`` goes through S3, Lambda and
DynamoDB, ``direct`` invokes the same function with the image itself.
"""
