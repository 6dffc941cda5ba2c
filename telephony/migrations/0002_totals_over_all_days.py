from django.db import migrations, models

_SUMS = """
INSERT INTO telephony_journaltotal (workspace_id, node_id, status, calls, duration_sec)
SELECT workspace_id, node_id, status, sum(calls), sum(duration_sec) FROM telephony_journaltotal GROUP BY 1, 2, 3
"""
_NO_SUMS = "DELETE FROM telephony_journaltotal WHERE day IS NULL"


class Migration(migrations.Migration):

    dependencies = [
        ('telephony', '0001_initial'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='journaltotal',
            name='journal_totals_key',
        ),
        migrations.AlterField(
            model_name='journaltotal',
            name='day',
            field=models.DateField(null=True),
        ),
        migrations.AddConstraint(
            model_name='journaltotal',
            constraint=models.UniqueConstraint(fields=('workspace', 'node', 'day', 'status'), name='journal_totals_key', nulls_distinct=False),
        ),
        migrations.RunSQL(_SUMS, _NO_SUMS),
    ]
