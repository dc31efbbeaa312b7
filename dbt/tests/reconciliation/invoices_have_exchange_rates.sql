-- Every draft can be shown in the reporting currency of the seller, if there is one.
{{ config(severity='warn') }}
select
    invoice_id,
    concat_ws('', 'no rate from ', currency_code, ' to ', reporting_currency_code) as finding
from {{ ref('fct_invoices') }}
where
    invoice_status = 'draft'
    and reporting_currency_code is not null
    and exchange_rate is null
