import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { publicAreaFromSized } from '../../../attestation/tpm2/structures/index.ts'

/** NV indices of the EK certificates that swtpm_setup writes, and the handles of their keys. */
const EK = {
  rsa2048: { certificate: '0x01c00002', handle: '0x81010001' },
  p384: { certificate: '0x01c00016', handle: '0x81010016' },
} as const
export type EkKind = keyof typeof EK

export const AK_ATTRIBUTES = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda'

/** A swtpm with EK certificates from a CA of its own, and what a host does with it to enrol. */
export class EndorsedTpm {
  readonly dir: string
  readonly #tcti: string
  #stop: (() => Promise<void>) | undefined
  /** Whether the EK in `ek.ctx` is made from a low-range template. */
  #lowRange = true

  private constructor(dir: string) {
    this.dir = dir
    this.#tcti = `swtpm:path=${join(dir, 'socket')}`
  }

  static async start(): Promise<EndorsedTpm> {
    const tpm = new EndorsedTpm(mkdtempSync(join(tmpdir(), 'writ-identity-')))
    tpm.#manufacture()
    await tpm.#serve()
    return tpm
  }

  #path(name: string): string {
    return join(this.dir, name)
  }

  #manufacture(): void {
    const ca = this.#path('ca')
    for (const dir of ['ca', 'state']) mkdirSync(this.#path(dir))
    const lines = [`statedir = ${ca}`, `signingkey = ${ca}/signkey.pem`, `issuercert = ${ca}/issuercert.pem`]
    writeFileSync(this.#path('ca.conf'), [...lines, `certserial = ${ca}/certserial`, ''].join('\n'))
    writeFileSync(this.#path('ca.options'), '')
    const setup = [
      'create_certs_tool = swtpm_localca',
      `create_certs_tool_config = ${this.#path('ca.conf')}`,
      `create_certs_tool_options = ${this.#path('ca.options')}`,
    ]
    writeFileSync(this.#path('setup.conf'), [...setup, ''].join('\n'))
    const args = ['--tpm2', '--tpmstate', this.#path('state'), '--config', this.#path('setup.conf')]
    execFileSync('swtpm_setup', [...args, '--create-ek-cert', '--pcr-banks', 'sha256'], { stdio: 'pipe' })
  }

  async #serve(): Promise<void> {
    const socket = this.#path('socket')
    const args = ['socket', '--tpm2', '--tpmstate', `dir=${this.#path('state')}`]
    const ends = ['--server', `type=unixio,path=${socket}`, '--ctrl', `type=unixio,path=${socket}.ctrl`]
    const child = spawn('swtpm', [...args, ...ends, '--flags', 'not-need-init,startup-clear'], {
      stdio: 'ignore',
    })
    const ended = new Promise<void>(done => child.once('exit', () => done()))
    this.#stop = async () => {
      child.kill('SIGKILL')
      await ended
    }
    for (let i = 0; !existsSync(socket) || !existsSync(`${socket}.ctrl`); i++) {
      if (i > 200) throw new Error('swtpm did not open its sockets')
      await sleep(10)
    }
  }

  async stop(): Promise<void> {
    await this.#stop?.()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Runs one tool and leaves no transient object behind: without a resource manager the TPM has room for three. */
  run(tool: string, ...args: string[]): Buffer {
    try {
      return this.#exec(tool, args)
    } finally {
      this.#exec('tpm2_flushcontext', ['-t'])
    }
  }

  #exec(tool: string, args: string[]): Buffer {
    return execFileSync(tool, args, {
      cwd: this.dir,
      env: { PATH: process.env.PATH, TPM2TOOLS_TCTI: this.#tcti },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  ekCertificate(kind: EkKind): Buffer {
    return this.run('tpm2_nvread', EK[kind].certificate)
  }

  ca(): { root: Buffer; intermediate: Buffer } {
    return {
      root: readFileSync(this.#path('ca/swtpm-localca-rootca-cert.pem')),
      intermediate: readFileSync(this.#path('ca/issuercert.pem')),
    }
  }

  /** Makes an EK from tpm2-tools' template for `algorithm` as well; gives its PEM. Its context is `ek.ctx`. */
  createEk(algorithm: string): string {
    this.#lowRange = ['rsa', 'ecc'].includes(algorithm)
    this.run('tpm2_createek', '-Q', '-G', algorithm, '-c', 'ek.ctx', '-u', 'ek.pem', '-f', 'pem')
    return readFileSync(this.#path('ek.pem'), 'utf8')
  }

  /** Runs `use` with what the EK asks for: PolicySecret(endorsement) in low-range templates, its empty auth in others. */
  #withEkAuth<T>(parent: EkKind | 'ek.ctx', use: (auth: string[]) => T): T {
    if (parent === 'p384' || (parent === 'ek.ctx' && !this.#lowRange)) return use([])
    this.run('tpm2_startauthsession', '-Q', '--policy-session', '-S', 'session.ctx')
    try {
      this.run('tpm2_policysecret', '-Q', '-S', 'session.ctx', '-c', 'e')
      return use(['-P', 'session:session.ctx'])
    } finally {
      this.run('tpm2_flushcontext', 'session.ctx')
    }
  }

  /** Makes a key under the EK and leaves it loaded as `ak.ctx`; gives its TPMT_PUBLIC. */
  createAk(
    parent: EkKind | 'ek.ctx',
    attributes = AK_ATTRIBUTES,
    algorithm = 'ecc256:ecdsa-sha256:null',
  ): Buffer {
    const handle = parent === 'ek.ctx' ? parent : EK[parent].handle
    const key = ['-u', 'ak.pub', '-r', 'ak.priv']
    this.#withEkAuth(parent, auth =>
      this.run('tpm2_create', '-Q', '-C', handle, ...auth, '-G', algorithm, '-a', attributes, ...key),
    )
    this.#withEkAuth(parent, auth =>
      this.run('tpm2_load', '-Q', '-C', handle, ...auth, ...key, '-c', 'ak.ctx'),
    )
    return publicAreaFromSized(readFileSync(this.#path('ak.pub')))
  }

  /** TPM2_ActivateCredential; throws when the TPM refuses. */
  activate(
    parent: EkKind | 'ek.ctx',
    challenge: { credentialBlob: Buffer; encryptedSecret: Buffer },
  ): Buffer {
    // The file of tpm2-tools: magic, version, then both structures.
    const header = Buffer.from('badcc0de00000001', 'hex')
    writeFileSync(
      this.#path('credential'),
      Buffer.concat([header, challenge.credentialBlob, challenge.encryptedSecret]),
    )
    const handle = parent === 'ek.ctx' ? parent : EK[parent].handle
    this.#withEkAuth(parent, auth =>
      this.run(
        'tpm2_activatecredential',
        ...['-Q', '-c', 'ak.ctx', '-C', handle, ...auth, '-i', 'credential', '-o', 'secret'],
      ),
    )
    return readFileSync(this.#path('secret'))
  }
}
