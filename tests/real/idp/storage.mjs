// What the provider remembers, in one map that outlives a change of its keys. Nothing is evicted: a grant that went
// missing because a cache was full would look like a revoked one.
const grantable = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode']);

export class Storage {
  #rows = new Map();
  #of = new Map();

  // An adapter of oidc-provider for one of its models.
  adapter = (model) => {
    const key = (id) => `${model}:${id}`;
    const findBy = (field) => async (value) => {
      for (const [name, row] of this.#rows) {
        if (name.startsWith(`${model}:`) && row[field] === value) return row;
      }
      return undefined;
    };
    return {
      upsert: async (id, payload) => {
        this.#rows.set(key(id), payload);
        if (grantable.has(model) && payload.grantId) {
          const members = this.#of.get(payload.grantId) ?? new Set();
          this.#of.set(payload.grantId, members.add(key(id)));
        }
      },
      find: async (id) => this.#rows.get(key(id)),
      findByUid: findBy('uid'),
      findByUserCode: findBy('userCode'),
      consume: async (id) => {
        this.#rows.get(key(id)).consumed = Math.floor(Date.now() / 1000);
      },
      destroy: async (id) => {
        this.#rows.delete(key(id));
      },
      revokeByGrantId: async (grantId) => {
        for (const member of this.#of.get(grantId) ?? []) this.#rows.delete(member);
        this.#of.delete(grantId);
      },
    };
  };
}
