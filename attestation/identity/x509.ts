// The one place that loads @peculiar/x509: reflect-metadata has to be evaluated before it.
import 'reflect-metadata'

export * from '@peculiar/x509'
