"""
The dashboard: ``/dashboard/…`` on the admin port, what is broken first.

Pages are made here from the same answers that the API gives, and work without their script; that
renews them while somebody looks, and follows requests. Nothing comes from anywhere else.
"""
