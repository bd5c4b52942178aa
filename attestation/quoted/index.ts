/** A quote with all that somebody brought beside it: values, logs in any bank, reference values, a history. */
export {
  examineQuote,
  historyHost,
  type QuoteExamination,
  type QuoteFinding,
  type QuoteProperty,
  type QuoteReason,
} from './examine.ts'
export { type Explanation, explainMismatch } from './explain.ts'
