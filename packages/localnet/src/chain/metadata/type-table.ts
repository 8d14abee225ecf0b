/** Position of a type in the table, which is how metadata refers to it. */
export type TypeId = number;

/** One case of an enum. Without an index, its position in the list is its index. */
export interface VariantCase {
  readonly name: string;
  readonly index?: number;
  readonly fields?: Readonly<Record<string, TypeId>>;
}

interface TypeParameter {
  readonly name: string;
  readonly type: TypeId;
}

interface PortableType {
  readonly id: TypeId;
  readonly type: {
    readonly path: readonly string[];
    readonly params: readonly TypeParameter[];
    readonly def: Readonly<Record<string, unknown>>;
    readonly docs: readonly string[];
  };
}

type PrimitiveName = "U8" | "U16" | "U32" | "U64" | "U128" | "Bool" | "Str";

/** Collects the types of a runtime, each once, as metadata's portable registry wants them. */
export class TypeTable {
  readonly entries: PortableType[] = [];
  readonly #ids = new Map<string, TypeId>();

  readonly u8: TypeId = this.#primitive("U8");
  readonly u16: TypeId = this.#primitive("U16");
  readonly u32: TypeId = this.#primitive("U32");
  readonly u64: TypeId = this.#primitive("U64");
  readonly u128: TypeId = this.#primitive("U128");
  readonly bool: TypeId = this.#primitive("Bool");
  readonly str: TypeId = this.#primitive("Str");
  readonly bytes: TypeId = this.vec(this.u8);
  readonly accountId: TypeId = this.struct("sp_core::crypto::AccountId32", { 0: this.array(32, this.u8) });
  readonly h256: TypeId = this.struct("primitive_types::H256", { 0: this.array(32, this.u8) });

  vec(type: TypeId): TypeId {
    return this.#add(`vec ${type}`, { def: { Sequence: { type } } });
  }

  array(len: number, type: TypeId): TypeId {
    return this.#add(`array ${len} ${type}`, { def: { Array: { len, type } } });
  }

  tuple(...members: readonly TypeId[]): TypeId {
    return this.#add(`tuple ${members}`, { def: { Tuple: members } });
  }

  compact(type: TypeId): TypeId {
    return this.#add(`compact ${type}`, { def: { Compact: { type } } });
  }

  option(type: TypeId): TypeId {
    const cases: VariantCase[] = [{ name: "None" }, { name: "Some", fields: { 0: type } }];
    return this.variant("Option", cases, [{ name: "T", type }]);
  }

  /** A struct; fields named by digits make a tuple struct. `path` is Rust's, parts joined by `::`. */
  struct(path: string, fields: Readonly<Record<string, TypeId>>, params: readonly TypeParameter[] = []): TypeId {
    const def = { Composite: { fields: portableFields(fields) } };
    return this.#add(`struct ${path}`, { path, params, def });
  }

  variant(path: string, cases: readonly (VariantCase | string)[], params: readonly TypeParameter[] = []): TypeId {
    const variants = cases.map((item, position) => {
      const { name, index = position, fields = {} } = typeof item === "string" ? { name: item } : item;
      return { name, index, fields: portableFields(fields), docs: [] };
    });
    return this.#add(`enum ${path} ${params.map(({ type }) => type)}`, {
      path,
      params,
      def: { Variant: { variants } },
    });
  }

  #primitive(name: PrimitiveName): TypeId {
    return this.#add(`primitive ${name}`, { def: { Primitive: name } });
  }

  #add(
    key: string,
    {
      path = "",
      params = [],
      def,
    }: { path?: string; params?: readonly TypeParameter[]; def: PortableType["type"]["def"] },
  ): TypeId {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.entries.length;
    this.#ids.set(key, id);
    this.entries.push({ id, type: { path: path === "" ? [] : path.split("::"), params, def, docs: [] } });
    return id;
  }
}

function portableFields(fields: Readonly<Record<string, TypeId>>): readonly unknown[] {
  return Object.entries(fields).map(([name, type]) => ({
    name: /^\d+$/.test(name) ? null : name,
    type,
    typeName: null,
    docs: [],
  }));
}
