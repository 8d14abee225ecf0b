import { parseArgs } from "node:util";
import { CONTAINER_CAST, type ContainerStageOptions, prepareContainerStage } from "./container-stage.ts";

const USAGE_EXIT_CODE = 2;

const USAGE = `Writes what a local subnet in containers starts from; BZ_AUTH_TOKEN is the miners' token.

  --directory DIR          folder that every container of the subnet sees
  --chain-endpoint URL     WebSocket address of the chain, for the miners
  --model-server-url URL   address of the model server, for the miners
  --block-millis N         time between blocks (that of config/networks/localnet.yaml)
`;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function main(options: ContainerStageOptions): Promise<void> {
  const { root } = await prepareContainerStage(options, say);
  say(`Prepared ${root} for ${CONTAINER_CAST.length} miners`);
}

function readOptions(): ContainerStageOptions {
  const { values } = parseArgs({
    options: {
      directory: { type: "string" },
      "chain-endpoint": { type: "string" },
      "model-server-url": { type: "string" },
      "block-millis": { type: "string" },
    },
  });
  const { BZ_AUTH_TOKEN } = process.env;
  const millis = values["block-millis"];
  if (millis !== undefined && !/^[1-9]\d{0,6}$/.test(millis)) throw new TypeError(`"${millis}" is not a block time`);
  return {
    directory: required("--directory", values.directory),
    chainEndpoint: required("--chain-endpoint", values["chain-endpoint"]),
    modelServerUrl: required("--model-server-url", values["model-server-url"]),
    authToken: required("BZ_AUTH_TOKEN", BZ_AUTH_TOKEN),
    blockMillis: millis === undefined ? null : Number(millis),
  };
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw new TypeError(`${name} is missing`);
  return value;
}

try {
  await main(readOptions());
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = USAGE_EXIT_CODE;
}
