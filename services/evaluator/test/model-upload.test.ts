import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { ModelUpload } from "../src/object-store/model-upload.ts";
import { metric, never, openStage } from "./stage.ts";

const NOBODY = {
  endpoint: "http://127.0.0.1:1",
  region: "us-east-1",
  bucket: "models",
  prefix: "assay/",
  pathStyle: true,
  accessKeyId: "the-key",
  secretAccessKey: "the-secret",
};

// Uploads that succeed need a store: test/compose/object-store.test.ts.
test("a store that does not answer is said once, tried again later each time, and holds nothing up", async () => {
  const stage = await openStage({ model: true });
  const { store, metrics, logger } = stage;
  const clock = new FakeClock();
  const upload = new ModelUpload({ store, metrics, logger, clock }, NOBODY);
  const failures = () => metric(stage, "evaluator_upload_failures_total", { code: "OBJECT_STORE_UNREACHABLE" });

  await upload.start(never);
  await expect.poll(() => clock.sleeping).toBe(1);
  expect(await failures()).toBe(1);
  await clock.advance(10_000);
  await expect.poll(failures).toBe(2);
  await expect.poll(() => clock.sleeping).toBe(1);
  await upload.stop();

  const said = logger.records.filter(({ message }) => message.startsWith("Cannot upload the model"));
  expect(said.map(({ fields }) => fields["version"])).toEqual([0]);
  expect(JSON.stringify(said)).not.toContain("the-secret");
});
