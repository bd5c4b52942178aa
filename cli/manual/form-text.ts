import { type Fields, readField, type Shape } from '../form.ts'

/** One field of a JSON form: where it is, what it is, and what there is to say of it. */
export interface FieldLine {
  /** For example `executions[].end.cause`. */
  readonly at: string
  readonly kind: string
  readonly about: string
}

function marks(field: string): string {
  const { optional, nullable } = readField(field)
  return optional ? ', may be missing' : nullable ? ', or null' : ''
}

function lines(shape: Shape, at: string, mark: string): FieldLine[] {
  if (typeof shape === 'string') {
    const [, atom = shape, about = ''] = /^([a-z]+)(?:: (.*))?$/s.exec(shape) ?? []
    return [{ at, kind: `${atom}${mark}`, about }]
  }
  if (Array.isArray(shape)) {
    const [item] = shape as readonly [Shape]
    if (typeof item === 'string') {
      return lines(item, `${at}[]`, mark)
    }
    return [...(mark === '' ? [] : [{ at, kind: `list${mark}`, about: '' }]), ...lines(item, `${at}[]`, '')]
  }
  return [
    ...(mark === '' ? [] : [{ at, kind: `object${mark}`, about: '' }]),
    ...fieldLines(shape as Fields, at),
  ]
}

/** All fields of an object, those below it behind it. */
export function fieldLines(fields: Fields, at = ''): FieldLine[] {
  return Object.entries(fields).flatMap(([field, shape]) => {
    const { name } = readField(field)
    return lines(shape, at === '' ? name : `${at}.${name}`, marks(field))
  })
}
