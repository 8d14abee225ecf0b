import { once } from "node:events";
import { AppError } from "@assay/core/app-error";
import { withDeadline } from "@assay/runtime/time/deadline";
import { WebSocket } from "ws";

const DEADLINE_MILLIS = 10_000;

/** Calls a method of the development chain for which no client is needed, for example `dev_pause`. */
export async function sendDevCommand(chainUrl: string, method: string, params: readonly unknown[] = []): Promise<void> {
  const socket = new WebSocket(chainUrl);
  try {
    await withDeadline(once(socket, "open"), DEADLINE_MILLIS, `Connecting for ${method}`);
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    const [message] = await withDeadline(once(socket, "message"), DEADLINE_MILLIS, method);
    const { error } = JSON.parse(String(message)) as { error?: { message: string } };
    if (error) throw new AppError("LOCALNET_DEV_COMMAND", `${method}: ${error.message}`);
  } finally {
    socket.close();
  }
}
