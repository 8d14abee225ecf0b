import { expect, test } from "vitest";
import { EndpointList } from "./endpoints.ts";

const list = () =>
  new EndpointList(["ws://local:9944", "ws://second/key", "ws://third"], {
    firstPauseMillis: 100,
    lastPauseMillis: 1_000,
    random: () => 1,
  });

test("the first endpoint is used while nothing is wrong with it", () => {
  expect(list().next(0)).toMatchObject({ endpoint: { host: "local:9944" }, waitMillis: 0 });
});

test("a failed endpoint is passed over until its pause is over", () => {
  const endpoints = list();
  endpoints.next(0).endpoint.breaker.failed(0);
  expect(endpoints.next(199)).toMatchObject({
    endpoint: { address: "ws://second/key", host: "second" },
    waitMillis: 0,
  });
  expect(endpoints.next(200)).toMatchObject({ endpoint: { host: "local:9944" }, waitMillis: 0 });
});

test("when all have failed, the one whose pause ends first is waited for", () => {
  const endpoints = list();
  endpoints.next(0).endpoint.breaker.failed(50);
  endpoints.next(0).endpoint.breaker.failed(0);
  endpoints.next(0).endpoint.breaker.failed(20);
  expect(endpoints.next(100)).toMatchObject({ endpoint: { host: "second" }, waitMillis: 100 });
});

test("preferred are those that come before and may be tried", () => {
  const endpoints = list();
  const first = endpoints.next(0).endpoint;
  first.breaker.failed(0);
  const second = endpoints.next(0).endpoint;
  second.breaker.failed(0);
  const third = endpoints.next(0).endpoint;
  second.breaker.succeeded();
  expect(endpoints.preferredTo(third, 100).map(({ host }) => host)).toEqual(["second"]);
  expect(endpoints.preferredTo(third, 200).map(({ host }) => host)).toEqual(["local:9944", "second"]);
  expect(endpoints.preferredTo(first, 200)).toEqual([]);
});

test("a list without addresses is a mistake", () => {
  expect(() => new EndpointList([])).toThrow(RangeError);
});
