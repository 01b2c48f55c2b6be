"""Keys: identity, contact and free text exist only encrypted; look-ups go through tokens.

AES-256-GCM with one data key per patient (per case until the patient is known). Data keys are
wrapped by a key of the territory, which is derived from the master key: losing the `kernel.key`
row loses the text for good (crypto-shredding). The additional data binds a ciphertext to its
table, column and row, so that a value copied elsewhere does not open.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel import errors, ids
from kernel.database import Database, Tx

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_CACHE: Final = 4096


class DataKey(msgspec.Struct, frozen=True, kw_only=True):
    """An opened data key; lives in memory only."""

    id: UUID
    secret: bytes

    def __repr__(self) -> str:
        """Show the id only."""
        return f"DataKey({self.id})"


class KeyRing:
    """Makes and opens data keys, seals and opens text, makes look-up tokens."""

    def __init__(self, master: bytes) -> None:
        """Derive the ring from the master key.

        Args:
            master: 32 bytes.
        """
        self._master = master
        self._lookup = self._derive(b"lookup")
        self._pseudonym = self._derive(b"pseudonym")
        self._opened: OrderedDict[UUID, DataKey] = OrderedDict()

    def _derive(self, info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(
            self._master
        )

    def derived(self, purpose: str) -> bytes:
        """Derive a secret for one purpose; nothing can be learned of it from another one.

        Args:
            purpose: What it is for, such as `webhook/<id>/<generation>`.

        Returns:
            32 bytes, the same at each call.
        """
        return self._derive(b"purpose/" + purpose.encode())

    def _wrapper(self, territory_id: UUID) -> AESGCM:
        return AESGCM(self._derive(b"territory" + territory_id.bytes))

    async def create(self, database: Database, territory_id: UUID) -> DataKey:
        """Make a data key; its row commits before anything is sealed with it.

        Args:
            database: Opens the key's own transaction.
            territory_id: Whose wrapping key is used.

        Returns:
            The opened key.
        """
        key = DataKey(id=ids.uuid7(), secret=secrets.token_bytes(_KEY_BYTES))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = nonce + self._wrapper(territory_id).encrypt(nonce, key.secret, key.id.bytes)
        async with database.plain() as connection:
            await connection.execute(INSERT_KEY, key.id, territory_id, wrapped)
        self._remember(key)
        return key

    def opened(self, key_id: UUID) -> DataKey | None:
        """Give a data key that is open here already.

        Args:
            key_id: Its row.
        """
        known = self._opened.get(key_id)
        if known is not None:
            self._opened.move_to_end(key_id)
        return known

    async def open_key(self, tx: Tx, key_id: UUID) -> DataKey:
        """Open a data key.

        Args:
            tx: Reads `kernel.key`.
            key_id: Its row.

        Returns:
            The opened key.

        Raises:
            Expired: `key_shredded`: the text it sealed is gone for good.
        """
        if (known := self.opened(key_id)) is not None:
            return known
        row = await tx.fetchrow(SELECT_KEY, key_id)
        if row is None or row["wrapped"] is None:
            code = "key_shredded"
            raise errors.Expired(code, "The key of this text was destroyed.")
        wrapped: bytes = row["wrapped"]
        secret = self._wrapper(row["territory_id"]).decrypt(
            wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id.bytes
        )
        key = DataKey(id=key_id, secret=secret)
        self._remember(key)
        return key

    def _remember(self, key: DataKey) -> None:
        self._opened[key.id] = key
        while len(self._opened) > _CACHE:
            self._opened.popitem(last=False)

    def token(self, kind: str, value: str) -> bytes:
        """Make the look-up token of a normalised value (equality search only).

        Args:
            kind: `phone`, `ins`, `birth_date`, `family_name` or `family_sound`.
            value: Already normalised by the caller.

        Returns:
            32 bytes, HMAC-SHA256.
        """
        return hmac.digest(self._lookup, f"{kind}\0{value}".encode(), hashlib.sha256)

    def pseudonym(self, organisation_id: UUID, case_id: UUID) -> str:
        """Give the name under which one organisation knows a case.

        Args:
            organisation_id: The recipient; two recipients can't join their names.
            case_id: The case.

        Returns:
            32 hexadecimal digits.
        """
        message = organisation_id.bytes + case_id.bytes
        return hmac.digest(self._pseudonym, message, hashlib.sha256).hex()[:32]


def seal(key: DataKey, place: str, row_id: UUID, text: str) -> bytes:
    """Encrypt a text for one place.

    Args:
        key: The patient's or case's data key.
        place: `schema.table.column`.
        row_id: The row it will stand in.
        text: What to hide; may be empty.

    Returns:
        Nonce and ciphertext.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bound = f"{place}|{row_id}|{key.id}".encode()
    return nonce + AESGCM(key.secret).encrypt(nonce, text.encode(), bound)


def unseal(key: DataKey, place: str, row_id: UUID, sealed: bytes) -> str:
    """Open what `seal` made.

    Args:
        key: The same data key.
        place: The same `schema.table.column`.
        row_id: The same row.
        sealed: Nonce and ciphertext.

    Returns:
        The text.

    Raises:
        Conflict: `sealed_text_broken`: moved from another row or changed.
    """
    bound = f"{place}|{row_id}|{key.id}".encode()
    try:
        return (
            AESGCM(key.secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound).decode()
        )
    except InvalidTag as error:
        code = "sealed_text_broken"
        raise errors.Conflict(code, "This text does not belong to this row.") from error


def read_master(path: Path) -> bytes:
    """Read the master key.

    Args:
        path: File with 64 hexadecimal digits, readable by the service alone.

    Returns:
        32 bytes.

    Raises:
        ValueError: Not 64 hexadecimal digits.
        OSError: The file can't be read.
    """
    master = bytes.fromhex(path.read_text("ascii").strip())
    if len(master) != _KEY_BYTES:
        message = f"{path} does not hold 64 hexadecimal digits"
        raise ValueError(message)
    return master


def ensure_master(path: Path) -> bytes:
    """Read the master key, making one where none is (embedded servers and tests).

    Args:
        path: As for `read_master`; created with mode 0600.

    Returns:
        32 bytes.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", "ascii")
    return read_master(path)


INSERT_KEY: Final = """
insert into kernel.key (id, territory_id, wrapped) values ($1, $2, $3)
"""
SELECT_KEY: Final = """
select territory_id, wrapped from kernel.key where id = $1
"""
