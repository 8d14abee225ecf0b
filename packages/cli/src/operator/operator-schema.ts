import type { ConfigSchema } from "@assay/runtime/config/schema";

/**
 * What commands about a running validator need to know of its configuration: keys, defaults and variables are the
 * evaluator's own, which a test holds them to.
 */
export const operatorSchema: ConfigSchema = {
  chain_endpoint: {
    doc: "WebSocket address of the chain; several, separated by commas, are asked in order",
    format: String,
    default: "wss://entrypoint-finney.opentensor.ai:443",
    env: "CHAIN_ENDPOINT",
    arg: "chain-endpoint",
  },
  chain_archive_endpoint: {
    doc: "archive nodes, for blocks whose state the others have dropped",
    format: String,
    default: "",
    env: "CHAIN_ARCHIVE_ENDPOINT",
    arg: "chain-archive-endpoint",
  },
  netuid: { doc: "number of the subnet", format: "nat", default: 42, env: "NETUID", arg: "netuid" },
  network: {
    doc: "rules of the network: a name in config/networks or such a file",
    format: String,
    default: "finney",
    env: "NETWORK",
    arg: "network",
  },
  wallet: {
    name: { doc: "name of the wallet", format: String, default: "my-wallet", env: "WALLET_NAME", arg: "wallet-name" },
    hotkey: {
      doc: "name of the hotkey in the wallet",
      format: String,
      default: "my-validator-hotkey",
      env: "WALLET_HOTKEY",
      arg: "wallet-hotkey",
    },
    path: {
      doc: "folder that holds the wallets",
      format: String,
      default: "~/.bittensor/wallets",
      env: "WALLET_PATH",
      arg: "wallet-path",
    },
    hotkey_password: {
      doc: "password of an encrypted hotkey file",
      format: String,
      default: "",
      env: "WALLET_HOTKEY_PASSWORD",
      sensitive: true,
      environmentOnly: true,
    },
    hotkey_uri: {
      doc: "secret URI instead of a wallet file",
      format: String,
      default: "",
      env: "HOTKEY_URI",
      sensitive: true,
      environmentOnly: true,
    },
  },
  server_port: { doc: "port of the model server", format: "port", default: 8080, env: "SERVER_PORT" },
  axon: {
    external_ip: {
      doc: "address at which others are to find the model server",
      format: String,
      default: "",
      env: "AXON_EXTERNAL_IP",
      arg: "axon-external-ip",
    },
    external_port: {
      doc: "port at that address; 0 for the model server's",
      format: "port",
      default: 0,
      env: "AXON_EXTERNAL_PORT",
      arg: "axon-external-port",
    },
  },
  checkpoint_cache_dir: {
    doc: "checkpoint directory; the ledger is in it unless told otherwise",
    format: String,
    default: "./validator-cache",
    env: "CHECKPOINT_CACHE_DIR",
    arg: "checkpoint-cache-dir",
  },
  downloads: {
    allow_private_addresses: {
      doc: "also ask validators at private and loopback addresses",
      format: Boolean,
      default: false,
      env: "DOWNLOADS_ALLOW_PRIVATE_ADDRESSES",
    },
  },
  ledger_path: {
    doc: "the validator's memory (ledger.sqlite in the checkpoint directory)",
    format: String,
    default: "",
    env: "LEDGER_PATH",
    arg: "ledger-path",
  },
};
