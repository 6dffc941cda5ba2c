"""Every setting in one place. What differs between installations comes from the environment, read strictly."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from django.templatetags.static import static
from django.urls import reverse_lazy

from aispinner.core.logs import logging_config
from aispinner.env import (
    choice,
    crash_points,
    env,
    fernet_keys,
    host_and_port,
    http_url,
    ice_servers,
    is_loopback,
    origins,
    rate,
    required,
    seconds,
    whole_number,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Secrets -------------------------------------------------------------------------------------
SECRET_KEY = required("SECRET_KEY", hint="It signs sessions. Any long random text will do.")
FERNET_KEYS = fernet_keys("FERNET_KEYS")
FERNET_USE_HKDF = False  # with it, the library would silently derive keys from other material

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # opens /metrics to who sends it; empty: only staff may look

# --- The site ------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = http_url("PUBLIC_URL", default="")  # where providers reach us; empty: we poll
HTTPS = PUBLIC_URL.startswith("https://")
ROOT_URLCONF = "aispinner.urls"
ASGI_APPLICATION = "aispinner.asgi.application"
WSGI_APPLICATION = "aispinner.wsgi.application"
SERVING_THREADS = whole_number("AISPINNER_THREADS", default=4, low=1, high=64)  # beside event streams, one process
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
APPEND_SLASH = False  # the published paths have none
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024  # 100,000 numbers with variables in one request

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_structlog",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "knox",
    "aispinner.core",
    "integrations",
    "agents",
    "telephony",
]
MIDDLEWARE = [
    "aispinner.core.middleware.RequestMiddleware",  # first: everything that happens bears the request's id
    "corsheaders.middleware.CorsMiddleware",  # before whatever answers by itself
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "aispinner.core.messages.LazyMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- Where things are kept -----------------------------------------------------------------------
DATABASES = {
    "default": env.db_url_config(required("DATABASE_URL", hint="For example postgresql://user:secret@host/name."))
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise SystemExit("DATABASE_URL must name a PostgreSQL database: locks that never wait and never lose need it.")
# Whom the network has cut off from the database is told within a minute, and waits five seconds for a new connection.
_PATIENCE = {"connect_timeout": 5, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
# A process that stalls in the middle of a transaction loses it: what it has locked, others wait for.
_STALLED = f"-c idle_in_transaction_session_timeout={whole_number('STALLED_SECONDS', default=30, low=1, high=3600)}s"
DATABASES["default"]["OPTIONS"] = {
    **_PATIENCE,
    **DATABASES["default"].get("OPTIONS", {}),
    "options": f"{DATABASES['default'].get('OPTIONS', {}).get('options', '')} {_STALLED}".strip(),
    "prepare_threshold": 0,  # what `core.prepared` asks, at once; Django's own cursors prepare nothing
}
_POOL = {"min_size": 1, "max_size": whole_number("DATABASE_POOL", default=12, low=2, high=200), "timeout": 5}
KEEPS_CONNECTIONS = env.bool("AISPINNER_KEEPS_CONNECTIONS", default=False)  # set by who serves with a few threads alone
if KEEPS_CONNECTIONS:
    DATABASES["default"]["CONN_MAX_AGE"] = 3600  # seconds; as long as the pool keeps one
else:
    DATABASES["default"]["OPTIONS"]["pool"] = _POOL
REDIS_URL = required("REDIS_URL", hint="For example redis://host:6379/0.")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="aispinner:")  # of every key but the broker's own
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"{REDIS_PREFIX}cache",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / ".state" / "media")))
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / ".state" / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
MEDIA_S3_BUCKET = env.str("MEDIA_S3_BUCKET", default="")  # recordings in S3 instead
S3_OPTIONS = {
    "bucket_name": MEDIA_S3_BUCKET,
    "access_key": env.str("AWS_ACCESS_KEY_ID", default="") or None,  # None: boto3 looks where it always does
    "secret_key": env.str("AWS_SECRET_ACCESS_KEY", default="") or None,
    "region_name": env.str("AWS_DEFAULT_REGION", default="") or None,
    "location": env.str("MEDIA_S3_PREFIX", default=""),
    "endpoint_url": http_url("MEDIA_S3_ENDPOINT", default="") or None,
}
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": S3_OPTIONS}
    if MEDIA_S3_BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # a fresh clone serves its static files without collecting them first

# --- Who may come in -----------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = False  # the proxy's business, which is why:
SILENCED_SYSTEM_CHECKS = ["security.W008"]
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "aispinner.core.auth.BearerAuthentication",
        "aispinner.core.auth.SessionAuthentication",  # pages of ours
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["aispinner.core.throttling.TokenThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["aispinner.core.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["aispinner.core.rendering.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "aispinner.core.rendering.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "aispinner.core.api.openapi.Schema",
    "EXCEPTION_HANDLER": "aispinner.core.failures.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,  # whose X-Forwarded-For is believed when attempts are counted
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
API_RATE = rate("API_RATE", default="6000/min")  # of each token
CORS_ALLOWED_ORIGINS = origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/(?!admin/|static/)"  # no cookies: a bearer token is all that lets a page of another origin in
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "cache-control", "content-type", "idempotency-key", "if-none-match", "if-range"),
    *("last-event-id", "range", "x-request-id", "x-requested-with"),
)
CORS_EXPOSE_HEADERS = (
    *("accept-ranges", "content-disposition", "content-length", "content-range", "etag", "idempotent-replayed"),
    *("retry-after", "www-authenticate", "x-request-id"),
)
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "AiSpinner Telephony API",
    "DESCRIPTION": (
        "Endpoints for managing voice calls, campaigns, journals, and integrations. "
        "Campaigns dial through ElevenLabs, or over your own Asterisk (Custom Voice)."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "AUTHENTICATION_WHITELIST": ["aispinner.core.auth.BearerAuthentication"],  # sessions are for our own pages
    "SERVERS": [{"url": "/", "description": "Where this document came from."}],
    "PREPROCESSING_HOOKS": ["aispinner.apidocs.document.describe_views"],
    "POSTPROCESSING_HOOKS": ["aispinner.core.api.openapi.complete"],
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
}
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "monitor", "login"
MIGRATION_MODULES = {"knox": None}  # or it makes its own table beside ours, which then cannot be emptied
KNOX_TOKEN_MODEL = "core.ApiToken"  # noqa: S105 - a model's name
REST_KNOX = {
    "TOKEN_MODEL": "core.ApiToken",
    "TOKEN_TTL": None,  # until revoked, or until the expiry asked for
    "TOKEN_PREFIX": "ais_",  # known at sight: in a log, in a leak
}

# --- Work in the background ----------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True  # the rows are the result
CELERY_TASK_ACKS_LATE = False  # a lost doorbell is found by the sweep
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
SWEEP_SECONDS = whole_number("SWEEP_SECONDS", default=1, low=1, high=60)
CELERY_BEAT_SCHEDULE = {
    "compare_agents": {"task": "agents.tasks.compare_agents", "schedule": 900, "options": {"expires": 600}},
    "heartbeat": {"task": "aispinner.core.tasks.heartbeat", "schedule": 5, "options": {"expires": 10}},
    "forget": {"task": "aispinner.core.tasks.forget", "schedule": 3600, "options": {"expires": 600}},
    "lost_voices": {"task": "telephony.tasks.end_lost_sessions", "schedule": 1, "options": {"expires": 5}},
    "prune": {
        "task": "telephony.tasks.prune",
        "schedule": crontab(hour="3", minute="30"),
        "options": {"expires": 3600},
    },
    "watch": {"task": "telephony.tasks.watch", "schedule": 30, "options": {"expires": 30}},
    "sweep": {"task": "telephony.tasks.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": 10}},
}

# --- Providers -----------------------------------------------------------------------------------
ELEVENLABS_BASE_URL = http_url("ELEVENLABS_BASE_URL", default="https://api.elevenlabs.io")
ELEVENLABS_CONNECT_TIMEOUT = whole_number("ELEVENLABS_CONNECT_TIMEOUT", default=4, low=1, high=60)  # seconds
ELEVENLABS_READ_TIMEOUT = whole_number("ELEVENLABS_READ_TIMEOUT", default=20, low=1, high=300)  # seconds
SIMULATED = is_loopback(ELEVENLABS_BASE_URL)  # nobody real is called
LOOK_AGAIN_SECONDS = whole_number("LOOK_AGAIN_SECONDS", default=60, low=1 if SIMULATED else 60, high=3600)
CRASH_POINTS = crash_points("AISPINNER_CRASH_POINTS", simulated=SIMULATED)
BREAKER_IN_A_ROW = whole_number("BREAKER_IN_A_ROW", default=10, low=0, high=100)  # calls; 0: off
BREAKER_WINDOW = whole_number("BREAKER_WINDOW", default=20, low=0, high=100)  # calls; 0: off
BREAKER_PERCENT = whole_number("BREAKER_PERCENT", default=50, low=1, high=100)  # more of the window than this
HEAR_ENDS_SECONDS = seconds("HEAR_ENDS_SECONDS", default=0.5, low=0.05 if SIMULATED else 0.5, high=60)
if HEAR_ENDS_SECONDS:
    CELERY_BEAT_SCHEDULE["listen"] = {
        "task": "telephony.tasks.listen",
        "schedule": HEAR_ENDS_SECONDS,
        "options": {"expires": 5},
    }
INBOUND_POLL_SECONDS = whole_number("INBOUND_POLL_SECONDS", default=60, low=1, high=3600)  # between looks, per account

# --- Our own voice path --------------------------------------------------------------------------
VOICE_SESSIONS = whole_number("VOICE_SESSIONS", default=50, low=1, high=1000)  # conversations in one bridge
WEB_CALLS_PER_WORKSPACE = whole_number("WEB_CALLS_PER_WORKSPACE", default=10, low=1, high=1000)  # at once
VOICE_BIND = host_and_port("VOICE_BIND", default="127.0.0.1:0")  # a bridge's control API; port 0: a free one
VOICE_ADDRESS = http_url("VOICE_ADDRESS", default="")  # where the web process and the listener reach it; empty: there
VOICE_AUDIOSOCKET_BIND = host_and_port("VOICE_AUDIOSOCKET_BIND", default="127.0.0.1:0")
VOICE_AUDIOSOCKET_ADDRESS = host_and_port("VOICE_AUDIOSOCKET_ADDRESS", default="")  # where Asterisk reaches it
VOICE_GRACE_SECONDS = whole_number("VOICE_GRACE_SECONDS", default=30, low=0, high=3600)  # for calls that are up
WEBRTC_ICE_SERVERS = ice_servers("WEBRTC_ICE_SERVERS")  # STUN and TURN, for browsers and for the bridge

# --- What is written down ------------------------------------------------------------------------
LOG_LEVEL = choice("LOG_LEVEL", default="INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = logging_config(level=LOG_LEVEL, style=choice("LOG_FORMAT", default="json", allowed=("json", "console")))
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # checked by our middleware
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG  # a sweep every second

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "AiSpinner Telephony",
    "SITE_HEADER": "AiSpinner",
    "SITE_SUBHEADER": "Telephony",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "LOGIN": {"form": "aispinner.core.login.AdminLoginForm"},
    "DASHBOARD_CALLBACK": "telephony.admin.dashboard.dashboard",
    "ACCOUNT": {"navigation": [{"title": "Live monitor", "link": reverse_lazy("monitor")}]},
    "SIDEBAR": {"navigation": "telephony.admin.navigation.sidebar"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("console/icon.svg")}],
    "STYLES": [lambda _request: static("console/console.css")],
    "SCRIPTS": [lambda _request: static("console/console.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        }
    },
}
