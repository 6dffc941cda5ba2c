"""What our figures stand beside: the same thing as Django's, DRF's and Celery's own documentation would have it."""
