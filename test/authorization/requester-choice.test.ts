import { expect, it } from 'vitest'
import { countSigners } from '../../authorization/signers.ts'

it('of several requesters the one counts who approved nothing, so that one signature more takes nothing away', () => {
  const signer = (holder: string, role: 'approver' | 'requester') => ({
    ...{ keyId: `${holder}-${role}`, holder, role, notBefore: 'any', notAfter: 'any' },
  })
  const rule = { authority: 'board', threshold: 1, requester: 'required' as const }
  const by = [signer('alice', 'requester'), signer('dave', 'requester'), signer('alice', 'approver')]
  expect(countSigners({ rule, by }, '2026-11-21T02:00:00.000Z')).toMatchObject({
    ...{ met: true, requester: 'dave', approvers: ['alice'], missing: 0 },
  })
})
