"""Everything that relies on Locust's insides, each with its reason, and a test that fails when Locust has changed it.

Made for the range of Locust in requirements.txt, and tested at both its ends (`make locust-range`).
"""
