/**
 * Loaded before a program of the local subnet: it stops, as when it is asked to, when whoever started it is gone, however
 * that ended. The channel to it keeps no program running.
 */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();
