import type { ConfigProblem } from "@assay/runtime/config/config-error";
import type { ConfigLeaf } from "@assay/runtime/config/schema";

/** Where objects lie, and with which key. */
export interface ObjectStoreOptions {
  /** Base URL of the store; empty for AWS itself. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Begins every object's key. */
  readonly prefix: string;
  /** Whether the bucket stands in the path and not in the host name. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

type Leaf<T> = ConfigLeaf & { readonly default: T };

type ObjectStoreSchema = {
  readonly endpoint: Leaf<string>;
  readonly region: Leaf<string>;
  readonly bucket: Leaf<string>;
  readonly prefix: Leaf<string>;
  readonly path_style: Leaf<boolean>;
  readonly access_key_id: Leaf<string>;
  readonly secret_access_key: Leaf<string>;
};

/** The section `object_store` of both services and of `assay store check`. */
export const objectStoreSchema: ObjectStoreSchema = {
  endpoint: {
    doc: "Base URL of an S3-compatible store, as https://s3.example.org; empty for AWS.",
    format: String,
    default: "",
    env: "OBJECT_STORE_ENDPOINT",
  },
  region: {
    doc: "Region that requests are signed for. Many stores take any.",
    format: String,
    default: "us-east-1",
    env: "OBJECT_STORE_REGION",
  },
  bucket: {
    doc: "Bucket for the model's files. The evaluator uploads every version when it is set.",
    format: String,
    default: "",
    env: "OBJECT_STORE_BUCKET",
  },
  prefix: {
    doc: "Begins the key of every object. What is below it is the validator's alone.",
    format: String,
    default: "assay/",
    env: "OBJECT_STORE_PREFIX",
  },
  path_style: {
    doc: "Whether the bucket stands in the path (most own stores) and not in the host name (AWS).",
    format: Boolean,
    default: true,
    env: "OBJECT_STORE_PATH_STYLE",
  },
  access_key_id: {
    doc: "Access key. The evaluator's may put, get and delete; the model server's need only get.",
    format: String,
    default: "",
    env: "OBJECT_STORE_ACCESS_KEY_ID",
    sensitive: true,
    environmentOnly: true,
  },
  secret_access_key: {
    doc: "Secret of the access key.",
    format: String,
    default: "",
    env: "OBJECT_STORE_SECRET_ACCESS_KEY",
    sensitive: true,
    environmentOnly: true,
  },
};

/** The values of {@link objectStoreSchema}. */
export type ObjectStoreValues = { readonly [Key in keyof ObjectStoreSchema]: ObjectStoreSchema[Key]["default"] };

export function objectStoreOptions(values: ObjectStoreValues): ObjectStoreOptions {
  const { endpoint, region, bucket, prefix } = values;
  return {
    endpoint,
    region,
    bucket,
    prefix,
    pathStyle: values.path_style,
    accessKeyId: values.access_key_id,
    secretAccessKey: values.secret_access_key,
  };
}

/** What of a store that is to be used is missing or malformed. */
export function objectStoreProblems(values: ObjectStoreValues): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const scheme = values.endpoint === "" ? "https:" : URL.parse(values.endpoint)?.protocol;
  if (scheme !== "https:" && scheme !== "http:") {
    problems.push({ path: "object_store.endpoint", message: "must be a URL with http or https" });
  }
  for (const key of ["region", "bucket"] as const) {
    if (values[key] === "") problems.push({ path: `object_store.${key}`, message: "must be set" });
  }
  for (const key of ["access_key_id", "secret_access_key"] as const) {
    const variable = objectStoreSchema[key].env ?? key;
    if (values[key] === "") problems.push({ path: variable, message: "must be set in the environment" });
  }
  return problems;
}

/** Names a store without its key: who presigns and who uploads must mean the same one. */
export function objectStoreName({ endpoint, bucket, prefix }: ObjectStoreOptions): string {
  return `${endpoint === "" ? "aws" : new URL(endpoint).origin}/${bucket}/${prefix}`;
}
