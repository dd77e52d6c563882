"""The options of the client library that have no key of their own in the configuration, by kind of store.

Named here, and not asked of the library, so that a configuration is checked without it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OPTIONS", "OWN_KEYS", "SCHEMES"]

SCHEMES: Mapping[str, str] = {
    "s3": "s3://bucket/prefix",
    "gs": "gs://bucket/prefix",
    "az": "az://container/prefix",
    "file": "file:///folder",
}
"""What a URL may begin with, with an example."""

OPTIONS: Mapping[str, frozenset[str]] = {
    "s3": frozenset(
        {
            "checksum_algorithm",
            "container_authorization_token_file",
            "container_credentials_full_uri",
            "container_credentials_relative_uri",
            "imdsv1_fallback",
            "metadata_endpoint",
            "request_payer",
            "role_arn",
            "role_session_name",
            "server_side_encryption",
            "skip_signature",
            "sse_bucket_key_enabled",
            "sse_kms_key_id",
            "unsigned_payload",
            "virtual_hosted_style_request",
            "web_identity_token_file",
        }
    ),
    "gs": frozenset(
        {"application_credentials", "bearer_token", "service_account", "service_account_key", "skip_signature"}
    ),
    "az": frozenset(
        {
            "account_key",
            "account_name",
            "authority_host",
            "client_id",
            "client_secret",
            "encryption_key",
            "federated_token_file",
            "msi_endpoint",
            "msi_resource_id",
            "object_id",
            "sas_key",
            "skip_signature",
            "tenant_id",
            "token",
            "use_azure_cli",
            "use_emulator",
        }
    ),
    "file": frozenset(),
}

OWN_KEYS: Mapping[str, str] = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint": "endpoint",
    "base_url": "endpoint",
    "bucket": "url",
    "container_name": "url",
    "proxy_url": "proxy",
    "allow_invalid_certificates": "tls",
    "root_certificate": "tls",
    "timeout": "timeout",
    "connect_timeout": "connect_timeout",
}
"""The library's name of what the configuration calls otherwise."""
