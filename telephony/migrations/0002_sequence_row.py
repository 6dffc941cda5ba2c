"""The one row of the sequence."""

from __future__ import annotations

from django.db import migrations
from django.utils import timezone


def make_row(apps, schema_editor):
    apps.get_model("telephony", "Sequence").objects.get_or_create(pk=1, defaults={"at": timezone.now()})


class Migration(migrations.Migration):
    dependencies = [("telephony", "0001_initial")]
    operations = [migrations.RunPython(make_row, migrations.RunPython.noop)]
