"""Writes `encrypted-hotkey.json`: a hotkey file as bittensor-wallet writes it with a password.

The parameters are those that bittensor-wallet publishes (`src/keyfile.rs`, `bittensor_wallet/keyfile.py`): the key is
libsodium's argon2i at its "sensitive" limits over a fixed salt, the box libsodium's secretbox. The same PyNaCl calls as
in the Python wallet. Run with PyNaCl 1.5: python3 make-hotkey.py > encrypted-hotkey.json
"""

import base64
import json

from nacl import pwhash, secret

SALT = bytes.fromhex("137183dff15a09bc9c90b5518739e9b1")
PASSWORD = "Grüße, 42 locks"
PUBLIC = "0x46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a"
# The scalar of the expanded secret without the cofactor, then the nonce: schnorrkel's `SecretKey::to_bytes`.
EXPANDED = bytes.fromhex(
    "28b0ae221c6bb06856b287f60d7ea0d98552ea5a16db16956849aa371db3eb51"
    "fd190cce74df356432b410bd64682309d6dedb27c76845daf388557cbac3ca34"
)
PRIVATE = (int.from_bytes(EXPANDED[:32], "little") // 8).to_bytes(32, "little") + EXPANDED[32:]

keyfile = {
    "accountId": PUBLIC,
    "publicKey": PUBLIC,
    "privateKey": "0x" + PRIVATE.hex(),
    "secretPhrase": "bottom drive obey lake curtain smoke basket hold race lonely fit walk",
    "secretSeed": "0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e",
    "ss58Address": "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV",
}
key = pwhash.argon2i.kdf(
    secret.SecretBox.KEY_SIZE,
    PASSWORD.encode("utf-8"),
    SALT,
    opslimit=pwhash.argon2i.OPSLIMIT_SENSITIVE,
    memlimit=pwhash.argon2i.MEMLIMIT_SENSITIVE,
)
content = b"$NACL" + secret.SecretBox(key).encrypt(json.dumps(keyfile).encode())
print(
    json.dumps(
        {
            "password": PASSWORD,
            "address": keyfile["ss58Address"],
            "keyfile": keyfile,
            "contentBase64": base64.b64encode(content).decode(),
        },
        ensure_ascii=False,
        indent=2,
    )
)
