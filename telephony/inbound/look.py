"""An account's list of conversations, read from where it was read before, so that what we did not start becomes calls
also where webhooks are lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from redis import RedisError

from integrations.calls import CallReport, Direction
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.schemas import ConversationSummary
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import Account, ElevenLabsKey, KeyStatus
from integrations.services import mark_key_refused
from telephony.inbound.arrivals import begin_calls, storable_id
from telephony.inbound.asking import SIDE_BY_SIDE, Told, ask, parts
from telephony.inbound.follow import end_silent, follow
from telephony.models import Call

LEASE = timedelta(minutes=5)  # one worker at a time reads an account's list; should it die, another does after this
WORK = 15.0  # seconds after which a half of a look goes no further; the next look does
AGAIN = timedelta(seconds=1)  # until the next look, where this one left something to do
REFUSED_WAIT = timedelta(minutes=10)  # until a key that may not read conversations is tried again
DOWN_FOR_LONG = timedelta(days=1)  # beyond a call's longest end, it is ended although the provider is down
OVERLAP = timedelta(minutes=10)  # what began so lately is listed again: the list may show it late
YOUNG = timedelta(minutes=1)  # in which a campaign learns by itself which conversations are its own
UNTOLD = timedelta(hours=1)  # how long the list is read from the beginning of one that does not say where it is from
PAGE, MOST_LISTED, MOST_ASKED = 100, 10_000, 200

log = structlog.get_logger(__name__)


def look(account_id: int) -> None:
    """Read what is new in an account, if that is due. Any number of workers may call this at any time."""
    now = timezone.now()
    lease = now + LEASE
    if not Account.objects.filter(pk=account_id, next_look_at__lte=now).update(next_look_at=lease):
        return
    wait = _look_with_some_key(Account.objects.get(pk=account_id), began=now)
    Account.objects.filter(pk=account_id, next_look_at=lease).update(next_look_at=timezone.now() + wait)


def _look_with_some_key(account: Account, *, began: datetime) -> timedelta:
    """Returns how long until the next look."""
    wait = timedelta(seconds=settings.INBOUND_POLL_SECONDS)
    keys = list(ElevenLabsKey.objects.filter(account=account).order_by("-created_at", "-pk"))
    if not keys:  # who adds a key after a year does not want a year's calls
        Account.objects.filter(pk=account.pk).update(conversations_known_until=began)
    for key in keys:
        if key.status != KeyStatus.WORKING:
            continue
        try:
            return AGAIN if _look(account, ElevenLabsClient(api_key=key.key), began=began) else wait
        except ProviderError as error:
            log.info("conversations_not_read", account_id=account.pk, key_id=key.pk, reason=error.reason.value)
            if error.answer is not Answer.REFUSED:
                end_silent(account.pk, now=began, late=DOWN_FOR_LONG)
                return max(wait, error.retry_after or timedelta())
            if error.reason is Reason.KEY_REFUSED:
                mark_key_refused(key_id=key.pk)
            else:
                wait = max(wait, REFUSED_WAIT)
    end_silent(account.pk, now=began)
    return wait


def _look(account: Account, client: ElevenLabsClient, *, began: datetime) -> bool:
    """Returns whether something was left to do. Neither half keeps the other from being done."""
    reading = _Reading(account=account, client=client, began=began)
    errors = []
    for half in (reading.read, partial(follow, account.pk, client, now=began)):
        try:
            half(stop_at=time.monotonic() + WORK)
        except ProviderError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return reading.left_something


@dataclass
class _Reading:
    """One reading of the list, oldest first, and how far it came. The lists hold when conversations began."""

    account: Account
    client: ElevenLabsClient
    began: datetime
    asked: int = 0
    last: datetime | None = None
    cut_short: bool = False
    unasked: list[datetime] = field(default_factory=list)  # there was no time for them
    untold: list[datetime] = field(default_factory=list)  # they do not say yet where they are from

    @property
    def left_something(self) -> bool:
        return self.cut_short or bool(self.unasked)

    def read(self, *, stop_at: float) -> None:
        """Make calls of what is new, until `stop_at` (monotonic seconds). ProviderError."""
        start = self.account.conversations_known_until - timedelta(seconds=1)
        listing = self.client.list_conversations(started_after=start, oldest_first=True)
        listed = 0
        for page in parts(islice(listing, MOST_LISTED), PAGE):
            listed += len(page)
            self._take(_unknown(self.account.pk, page, began=self.began), stop_at=stop_at)
            self.last = page[-1].started_at or self.last
            self.cut_short = listed >= MOST_LISTED or time.monotonic() > stop_at
            if self.left_something:
                break
        Account.objects.filter(pk=self.account.pk).update(conversations_known_until=self._known_until())

    def _take(self, new: Sequence[ConversationSummary], *, stop_at: float) -> None:
        for part in parts(new, 2 * SIDE_BY_SIDE):
            if self.asked >= MOST_ASKED or (self.asked and time.monotonic() > stop_at):
                self.unasked += [self._start(each) for each in part]
                continue
            self.asked += len(part)
            told = ask(self.client, [each.conversation_id for each in part])
            reports = [report for report in told.values() if isinstance(report, CallReport)]
            self._file(part, told, calls=begin_calls(self.account.pk, reports, now=self.began))

    def _file(self, part: Sequence[ConversationSummary], told: Mapping[str, Told], *, calls: set[str]) -> None:
        """What did not become a call: not told yet where it is from, or none of ours."""
        others = []
        for each in part:
            if each.conversation_id in calls:
                continue
            start = self._start(each)
            if _is_untold(told[each.conversation_id]) and start + UNTOLD > self.began:
                self.untold.append(start)
            else:
                others.append(each.conversation_id)
        _remember_not_ours(self.account.pk, others)

    def _known_until(self) -> datetime:
        """From where the list is read next time: nothing that is still to be asked about is left behind."""
        marks = [self.began - OVERLAP, *self.unasked]
        if self.cut_short and self.last is not None:
            marks.append(self.last)
        elif not self.unasked:
            marks += self.untold
        return max(self.account.conversations_known_until, min(marks))

    def _start(self, summary: ConversationSummary) -> datetime:
        return summary.started_at or self.account.conversations_known_until


def _is_untold(told: Told) -> bool:
    if isinstance(told, ProviderError):
        return True
    return told is not None and told.origin is None and told.call_id is None


def _unknown(account_id: int, page: Sequence[ConversationSummary], *, began: datetime) -> list[ConversationSummary]:
    """Those that may have to become calls."""
    ids = [each.conversation_id for each in page if storable_id(each.conversation_id)]
    calls = Call.objects.filter(account=account_id, conversation_id__in=ids)
    known = {*calls.values_list("conversation_id", flat=True), *_remembered_not_ours(account_id, ids)}
    left = [each for each in page if each.conversation_id in ids and each.conversation_id not in known]
    if any(_young_and_outbound(each, began) for each in left) and _campaign_is_dialling(account_id):
        return [each for each in left if not _young_and_outbound(each, began)]
    return left


def _young_and_outbound(summary: ConversationSummary, began: datetime) -> bool:
    young = summary.started_at is not None and summary.started_at + YOUNG > began
    return young and summary.direction == Direction.OUTBOUND


def _campaign_is_dialling(account_id: int) -> bool:
    """Whether calls of ours are out whose conversations we do not know yet: what is listed may be theirs."""
    ours = Call.objects.filter(account=account_id, chunk__isnull=False, conversation_id=None, ended_at=None)
    return ours.exists()


def _remembered_not_ours(account_id: int, ids: Sequence[str]) -> set[str]:
    names = {_name(account_id, id_): id_ for id_ in ids}
    try:
        return {names[name] for name in cache.get_many(names)}
    except RedisError:
        return set()


def _remember_not_ours(account_id: int, ids: Sequence[str]) -> None:
    """Not to be asked about at every look. Forgetting it costs a request."""
    try:
        cache.set_many(dict.fromkeys([_name(account_id, id_) for id_ in ids], 1), timeout=2 * OVERLAP.total_seconds())
    except RedisError:
        log.warning("not_remembered", account_id=account_id)


def _name(account_id: int, conversation_id: str) -> str:
    return f"not-ours:{account_id}:{conversation_id}"
