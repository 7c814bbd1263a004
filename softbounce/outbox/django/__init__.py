"""The outbox for Django: ``"softbounce.outbox.django"`` in ``INSTALLED_APPS``, then ``manage.py migrate``."""
